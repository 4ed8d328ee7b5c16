resource "terraform_data" "release" {
  input = {
    id      = local.id
    release = var.release
    kind    = var.kind
    limits  = var.limits
    tags    = var.tags
  }
}

resource "terraform_data" "replica" {
  count = var.replicas
  input = {
    release = terraform_data.release.id
    zone    = var.zones[count.index % length(var.zones)]
  }

  provisioner "local-exec" {
    command = "sleep 1; echo replica ${count.index + 1} of ${var.replicas} is up"
  }
}
