output "dashboard" {
  value       = "https://monitoring.harborline.example/d/${local.id}"
  description = "Where to look first."
}
