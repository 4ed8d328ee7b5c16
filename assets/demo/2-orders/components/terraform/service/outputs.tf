output "url" {
  value       = var.port == null ? null : "https://${var.name}.${var.stage}.harborline.example"
  description = "Where a web service answers."
}
