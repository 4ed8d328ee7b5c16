//! Which prices of AWS' lists are prices of the book: their resource type, component and unit.
//!
//! What the attributes mean is written in "Reading the service price list file" of the AWS Billing user guide.

use std::collections::BTreeMap;

use crate::domain::money::Exact;
use crate::domain::price::HOURS;

/// One price with what it is for.
pub(super) struct Line<'a> {
    pub(super) family: &'a str,
    pub(super) attributes: &'a BTreeMap<String, String>,
    pub(super) unit: &'a str,
    pub(super) begin: &'a str,
    pub(super) price: &'a str,
    pub(super) currency: &'a str,
}

impl Line<'_> {
    fn is(&self, attribute: &str, value: &str) -> bool {
        self.get(attribute).eq_ignore_ascii_case(value)
    }

    pub(super) fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map(String::as_str).unwrap_or_default()
    }

    fn usage(&self, end: &str) -> bool {
        // The region stands before it, except in the oldest one: `USE2-NatGateway-Hours`, `NatGateway-Hours`.
        let usage = self.get("usagetype");
        usage == end || usage.strip_suffix(end).is_some_and(|region| region.ends_with('-') && !region.contains(':'))
    }

    fn is_hourly(&self) -> bool {
        matches!(self.unit.to_ascii_lowercase().as_str(), "hrs" | "hours" | "hour")
    }

    fn is_monthly_gb(&self) -> bool {
        matches!(self.unit.to_ascii_lowercase().as_str(), "gb-mo" | "gb-month")
    }

    /// Tells whether it is the price of the first unit: of the tiers of storage the book knows one.
    fn is_first(&self) -> bool {
        matches!(self.begin, "" | "0")
    }
}

/// How a listed price becomes that of the book's unit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Per {
    /// They are the same.
    One,
    /// The book's unit is so many of the list's.
    Many(i64),
    /// The list's is a GiB, the book's a MiB.
    Part1024,
}

impl Per {
    pub(super) fn of(self, price: Exact) -> Option<Exact> {
        match self {
            Per::One => Some(price),
            Per::Many(count) => Exact::new(price.mantissa().checked_mul(i128::from(count))?, price.scale()),
            // 1 / 1024 is 5^10 / 10^10, so nothing is rounded.
            Per::Part1024 => Exact::new(price.mantissa().checked_mul(9_765_625)?, price.scale() + 10),
        }
    }
}

/// What the book calls something.
pub(super) struct Named {
    pub(super) resource: &'static str,
    pub(super) component: String,
    pub(super) unit: &'static str,
    pub(super) per: Per,
}

fn called(resource: &'static str, component: impl Into<String>, unit: &'static str, per: Per) -> Option<Named> {
    Some(Named { resource, component: component.into(), unit, per })
}

/// Returns what the book calls a price of a service; `None` where no rule looks it up.
pub(super) fn named(service: &str, line: &Line<'_>) -> Option<Named> {
    match service {
        "AmazonEC2" => compute(line),
        "AWSELB" => load_balancer(line),
        "AmazonRDS" => database(line),
        "AmazonElastiCache" => {
            let redis = line.family == "Cache Instance" && line.is("cacheengine", "Redis") && line.is_hourly();
            let node = line.get("instancetype");
            called("aws_elasticache_cluster", format!("ElastiCache (on-demand, {node})"), "hours", Per::One)
                .filter(|_| redis)
        }
        "AmazonS3" => {
            let standard = line.family == "Storage" && line.usage("TimedStorage-ByteHrs") && line.is_first();
            match line.get("group") {
                _ if standard && line.is_monthly_gb() => called("aws_s3_bucket", "Storage", "GB", Per::One),
                "S3-API-Tier1" if line.usage("Requests-Tier1") => {
                    called("aws_s3_bucket", "PUT, COPY, POST, LIST requests", "1k requests", Per::Many(1_000))
                }
                "S3-API-Tier2" if line.usage("Requests-Tier2") => {
                    let name = "GET, SELECT, and all other requests";
                    called("aws_s3_bucket", name, "1k requests", Per::Many(1_000))
                }
                _ => None,
            }
        }
        "AWSLambda" => match (line.get("group"), line.begin) {
            ("AWS-Lambda-Requests", _) => {
                called("aws_lambda_function", "Requests", "1M requests", Per::Many(1_000_000))
            }
            ("AWS-Lambda-Duration", begin) => {
                let tier = match begin {
                    "0" => "first 6B",
                    "6000000000" => "next 9B",
                    "15000000000" => "over 15B",
                    _ => return None,
                };
                called("aws_lambda_function", format!("Duration ({tier})"), "GB-seconds", Per::One)
            }
            _ => None,
        },
        "AmazonEKS" => {
            let cluster = line.usage("AmazonEKS-Hours:perCluster") && line.is_hourly();
            called("aws_eks_cluster", "EKS cluster", "hours", Per::One).filter(|_| cluster)
        }
        "awskms" => {
            let key = line.usage("KMS-Keys");
            called("aws_kms_key", "Customer master key", "months", Per::One).filter(|_| key)
        }
        "AWSSecretsManager" => {
            let secret = line.usage("AWSSecretsManager-Secrets");
            called("aws_secretsmanager_secret", "Secret", "months", Per::One).filter(|_| secret)
        }
        "AmazonECR" => {
            let stored = line.usage("TimedStorage-ByteHrs") && line.is_monthly_gb();
            called("aws_ecr_repository", "Storage", "GB", Per::One).filter(|_| stored)
        }
        _ => None,
    }
}

/// Instances, disks and NAT gateways.
fn compute(line: &Line<'_>) -> Option<Named> {
    match line.family {
        "Compute Instance" | "Compute Instance (bare metal)" => {
            let system = match line.get("operatingsystem") {
                "Linux" => "Linux/UNIX",
                known @ ("Windows" | "RHEL" | "SUSE") => known,
                _ => return None,
            };
            let tenancy = match line.get("tenancy") {
                "Shared" => "on-demand",
                "Dedicated" => "dedicated",
                _ => return None,
            };
            let usual = line.is_hourly()
                && line.is("capacitystatus", "Used")
                && line.is("preinstalledsw", "NA")
                && line.is("licensemodel", "No License required")
                && matches!(line.get("marketoption"), "" | "OnDemand");
            let name = format!("Instance usage ({system}, {tenancy}, {})", line.get("instancetype"));
            called("aws_instance", name, "hours", Per::One).filter(|_| usual)
        }
        "Storage" if line.is_monthly_gb() && line.is_first() => {
            let disk = match line.get("volumeapiname") {
                known @ ("gp2" | "gp3") => format!("general purpose SSD, {known}"),
                known @ ("io1" | "io2") => format!("provisioned IOPS SSD, {known}"),
                "st1" => "throughput optimized HDD, st1".to_owned(),
                "sc1" => "cold HDD, sc1".to_owned(),
                "standard" => "magnetic".to_owned(),
                _ => return None,
            };
            called("aws_ebs_volume", format!("Storage ({disk})"), "GB", Per::One)
        }
        "System Operation" if line.get("group") == "EBS IOPS" && line.is_first() => match line.get("volumeapiname") {
            // The book has one name for io1 and io2; that of io2 goes down in tiers.
            "io1" => called("aws_ebs_volume", "Provisioned IOPS", "IOPS", Per::One),
            "gp3" => called("aws_ebs_volume", "Provisioned gp3 IOPS", "IOPS", Per::One),
            _ => None,
        },
        "Provisioned Throughput" if line.get("volumeapiname") == "gp3" => {
            let per = if line.unit.to_ascii_lowercase().starts_with("gib") { Per::Part1024 } else { Per::One };
            called("aws_ebs_volume", "Provisioned gp3 throughput", "Mbps", per)
        }
        "NAT Gateway" if line.usage("NatGateway-Hours") => called("aws_nat_gateway", "NAT gateway", "hours", Per::One),
        "NAT Gateway" if line.usage("NatGateway-Bytes") => called("aws_nat_gateway", "Data processed", "GB", Per::One),
        _ => None,
    }
}

fn load_balancer(line: &Line<'_>) -> Option<Named> {
    let kind = match line.family {
        "Load Balancer" if line.usage("LoadBalancerUsage") => {
            return called("aws_elb", "Classic load balancer", "hours", Per::One);
        }
        "Load Balancer" if line.usage("DataProcessing-Bytes") => {
            return called("aws_elb", "Data processed", "GB", Per::One);
        }
        "Load Balancer-Application" => "application",
        "Load Balancer-Network" => "network",
        "Load Balancer-Gateway" => "gateway",
        _ => return None,
    };
    if line.usage("LoadBalancerUsage") {
        let mut name = format!("{kind} load balancer");
        name[..1].make_ascii_uppercase();
        return called("aws_lb", name, "hours", Per::One);
    }
    let capacity = format!("Load balancer capacity units ({kind})");
    called("aws_lb", capacity, "LCU", Per::Many(HOURS)).filter(|_| line.usage("LCUUsage"))
}

/// Instances and storage of the engines whose licence costs nothing.
fn database(line: &Line<'_>) -> Option<Named> {
    let engine = match line.get("databaseengine") {
        "PostgreSQL" => "postgres",
        "MySQL" => "mysql",
        "MariaDB" => "mariadb",
        _ => return None,
    };
    let zones = match line.get("deploymentoption") {
        known @ ("Single-AZ" | "Multi-AZ") => known,
        _ => return None,
    };
    match line.family {
        "Database Instance" if line.is_hourly() => {
            let name =
                format!("Database instance ({engine}, no licence, on-demand, {zones}, {})", line.get("instancetype"));
            called("aws_db_instance", name, "hours", Per::One)
        }
        "Database Storage" if line.is_monthly_gb() => {
            let disk = match line.get("volumetype") {
                "General Purpose" => "gp2",
                "General Purpose-GP3" => "gp3",
                "Provisioned IOPS" => "io1",
                "Magnetic" => "standard",
                _ => return None,
            };
            called("aws_db_instance", format!("Storage ({engine}, {zones}, {disk})"), "GB", Per::One)
        }
        _ => None,
    }
}
