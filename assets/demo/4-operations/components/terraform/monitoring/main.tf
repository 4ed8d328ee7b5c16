resource "terraform_data" "store" {
  input = {
    id             = local.id
    retention_days = var.retention_days
    tags           = var.tags
  }
}

resource "terraform_data" "alert" {
  for_each = toset(["errors", "latency", "saturation"])
  input = {
    store = terraform_data.store.id
    name  = each.key
    page  = var.page
  }
}
