output "cluster_id" {
  value       = terraform_data.control_plane.id
  description = "The cluster's identity."
}

output "token" {
  value       = sha256(terraform_data.control_plane.id)
  description = "What a node joins with."
  sensitive   = true
}
