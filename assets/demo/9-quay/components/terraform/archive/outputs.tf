output "bucket" {
  value       = terraform_data.archive.output.bucket
  description = "The bucket's name."
}
