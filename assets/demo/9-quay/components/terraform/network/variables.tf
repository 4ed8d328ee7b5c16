variable "cidr" {
  type        = string
  description = "The address space."

  validation {
    condition     = can(cidrhost(var.cidr, 0))
    error_message = "The address space is written like 10.0.0.0/16."
  }
}

variable "nat" {
  type        = bool
  default     = false
  description = "Whether private subnets may reach the internet."
}

variable "single_nat_gateway" {
  type        = bool
  default     = false
  description = "Whether all zones share one way out."
}

variable "subnets" {
  type        = list(string)
  default     = ["public", "private"]
  description = "One subnet of each kind in every zone."
}
