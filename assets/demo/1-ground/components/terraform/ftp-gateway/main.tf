resource "terraform_data" "gateway" {
  input = {
    id   = local.id
    tags = var.tags
  }
}
