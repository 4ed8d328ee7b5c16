output "arn" {
  value       = "arn:harborline:bucket:${var.region}:${local.id}"
  description = "The bucket's name for policies."
}
