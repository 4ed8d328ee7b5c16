output "endpoint" {
  value       = "${local.id}.db.harborline.example:5432"
  description = "Where it answers."
}

output "password" {
  value       = sha256(terraform_data.instance.id)
  description = "The administrator's password."
  sensitive   = true
}
