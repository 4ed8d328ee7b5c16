resource "terraform_data" "bucket" {
  input = {
    id        = local.id
    versioned = var.versioned
    public    = var.public
    tags      = var.tags
  }
}

resource "terraform_data" "lifecycle" {
  input = {
    bucket    = terraform_data.bucket.id
    keep_days = var.keep_days
  }
}
