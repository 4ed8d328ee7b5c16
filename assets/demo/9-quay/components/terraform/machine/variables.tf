variable "name" {
  type        = string
  description = "The name of the machine."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "instance_type" {
  type        = string
  description = "Its family and size, such as t3.large."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+\\.[a-z0-9]+$", var.instance_type))
    error_message = "An instance type is written like t3.large."
  }
}

variable "disk" {
  type = object({
    type = string
    gb   = number
  })
  description = "Its disk: gp2 or gp3, and how large."

  validation {
    condition     = contains(["gp2", "gp3"], var.disk.type) && var.disk.gb >= 8
    error_message = "A disk is of type gp2 or gp3, and has at least 8 GB."
  }
}
