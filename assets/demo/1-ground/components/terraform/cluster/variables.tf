variable "release" {
  type        = string
  description = "The version of the control plane."
}

variable "nodes" {
  type = object({
    min  = number
    max  = number
    size = string
  })
  description = "How many nodes, and how large."

  validation {
    condition     = var.nodes.min >= 1 && var.nodes.max >= var.nodes.min
    error_message = "At least one node, and at most as many as max says."
  }
}
