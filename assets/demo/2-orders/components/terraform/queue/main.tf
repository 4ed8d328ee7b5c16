resource "terraform_data" "queue" {
  input = {
    id              = local.id
    retention_hours = var.retention_hours
    tags            = var.tags
  }
}

resource "terraform_data" "dead_letter" {
  count = var.dead_letter ? 1 : 0
  input = {
    queue = terraform_data.queue.id
  }
}
