resource "terraform_data" "archive" {
  input = {
    id     = local.id
    bucket = local.id
    tags   = var.tags
  }
}

resource "terraform_data" "archive_rules" {
  count = var.lifecycle_enabled ? 1 : 0
  input = {
    bucket     = terraform_data.archive.output.bucket
    after_days = 30
  }
}
