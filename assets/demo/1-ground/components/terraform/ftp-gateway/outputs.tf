output "host" {
  value       = "${local.id}.ftp.harborline.example"
  description = "Where timetables are delivered."
}
