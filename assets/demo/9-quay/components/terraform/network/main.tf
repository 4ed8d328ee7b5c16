locals {
  subnets = { for pair in setproduct(var.zones, var.subnets) : "${pair[0]}-${pair[1]}" => pair }
}

resource "terraform_data" "network" {
  input = {
    id   = local.id
    cidr = var.cidr
    tags = var.tags
  }
  triggers_replace = var.cidr
}

resource "terraform_data" "subnet" {
  for_each = local.subnets
  input = {
    network = terraform_data.network.id
    zone    = each.value[0]
    kind    = each.value[1]
  }
}

resource "terraform_data" "nat" {
  count = var.nat ? (var.single_nat_gateway ? 1 : length(var.zones)) : 0
  input = {
    zone = var.zones[count.index]
  }
}
