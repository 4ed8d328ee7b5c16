output "host" {
  value       = "${var.name}.${var.stage}.quay.harborline.example"
  description = "Where it answers."
}
