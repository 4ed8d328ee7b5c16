output "network_id" {
  value       = terraform_data.network.id
  description = "The network's identity."
}

output "subnets" {
  value       = { for name, subnet in terraform_data.subnet : name => subnet.id }
  description = "The subnets' identities by zone and kind."
}
