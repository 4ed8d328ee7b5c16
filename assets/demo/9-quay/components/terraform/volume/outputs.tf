output "volume_id" {
  value       = terraform_data.volume.output.id
  description = "The volume's identity."
}
