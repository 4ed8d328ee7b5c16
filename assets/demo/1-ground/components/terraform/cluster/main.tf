resource "terraform_data" "control_plane" {
  input = {
    id      = local.id
    release = var.release
    tags    = var.tags
  }

  provisioner "local-exec" {
    command = "for n in 1 2 3 4; do echo control plane $n of 4; sleep 2; done"
  }
}

resource "terraform_data" "nodes" {
  for_each = toset(var.zones)
  input = {
    cluster = terraform_data.control_plane.id
    zone    = each.value
    nodes   = var.nodes
  }

  provisioner "local-exec" {
    command = "echo nodes in ${each.value} join; sleep 4; echo nodes in ${each.value} ready"
  }
}
