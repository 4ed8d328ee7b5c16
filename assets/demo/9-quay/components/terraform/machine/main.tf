resource "terraform_data" "server" {
  input = {
    id                = local.id
    instance_type     = var.instance_type
    availability_zone = var.zones[0]
    root_block_device = [{ volume_type = var.disk.type, volume_size = var.disk.gb }]
    tags              = var.tags
  }
}
