resource "terraform_data" "volume" {
  input = {
    id                = local.id
    type              = var.type
    size              = var.gb
    availability_zone = var.zones[0]
    tags              = var.tags
  }
}

resource "terraform_data" "attachment" {
  count = var.attached_to == null ? 0 : 1
  input = {
    volume_id   = terraform_data.volume.output.id
    instance_id = var.attached_to
  }
}
