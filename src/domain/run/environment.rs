//! Which variables of a person's environment a run gets.
//!
//! A run uses the environment of who asked for it, not that of whoever started the platform. Only what is on this
//! list travels; anything else is given by name (`--env K=V`). Neither is ever stored or logged.

use std::collections::BTreeMap;

/// Names that travel as they are.
const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "SSH_AUTH_SOCK",
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GIT_CONFIG_GLOBAL",
    "KUBECONFIG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GNUPGHOME",
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "DATABRICKS_HOST",
    "DATABRICKS_TOKEN",
];

/// Beginnings of names that travel: tools, clouds, secret stores.
const PREFIXES: &[&str] = &[
    "LC_",
    "XDG_",
    "AWS_",
    "GOOGLE_",
    "GCLOUD_",
    "GCP_",
    "CLOUDSDK_",
    "ARM_",
    "AZURE_",
    "MSI_",
    "IDENTITY_",
    "TF_",
    "TOFU_",
    "ATMOS_",
    "TERRAGRUNT_",
    "VAULT_",
    "CONSUL_",
    "NOMAD_",
    "GITHUB_",
    "GITLAB_",
    "BITBUCKET_",
    "HCP_",
    "ALICLOUD_",
    "OCI_",
    "DIGITALOCEAN_",
    "HCLOUD_",
    "CLOUDFLARE_",
    "DATADOG_",
    "DD_",
    "PAGERDUTY_",
    "KUBE_",
    "HELM_",
    "PG",
    "SOPS_",
    "OP_",
    "SPACELIFT_",
    "TFE_",
    "SNOWFLAKE_",
    "OS_",
];

/// Tells whether a variable travels from a person's environment into their run.
#[must_use]
pub fn travels(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Reduces an environment to what travels.
pub fn reduce<I>(variables: I) -> BTreeMap<String, String>
where
    I: IntoIterator<Item = (String, String)>,
{
    variables.into_iter().filter(|(name, _)| travels(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_travel_and_the_rest_stays() {
        let all = [("AWS_PROFILE", "prod"), ("PATH", "/bin"), ("MY_SECRET", "x"), ("TF_VAR_size", "l")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        let reduced = reduce(all);
        assert_eq!(reduced.keys().collect::<Vec<_>>(), ["AWS_PROFILE", "PATH", "TF_VAR_size"]);
    }
}
