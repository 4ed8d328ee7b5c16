output "url" {
  value       = "https://queue.harborline.example/${local.id}"
  description = "Where events are sent."
}
