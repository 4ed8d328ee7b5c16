output "endpoint" {
  value       = "${local.id}.cache.harborline.example:6379"
  description = "Where it answers."
}
