resource "terraform_data" "cache" {
  input = {
    id        = local.id
    memory_mb = var.memory_mb
    eviction  = var.eviction
    tags      = var.tags
  }
}
