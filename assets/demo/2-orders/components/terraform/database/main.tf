resource "terraform_data" "storage" {
  input = var.storage
}

resource "terraform_data" "instance" {
  input = {
    id         = local.id
    engine     = "${var.engine} ${var.engine_version}"
    size       = var.size
    storage    = terraform_data.storage.id
    parameters = var.parameters
    tags       = var.tags
  }
  triggers_replace = var.engine
}

resource "terraform_data" "backup" {
  input = var.backup
}
