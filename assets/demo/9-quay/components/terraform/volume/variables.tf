variable "name" {
  type        = string
  description = "The name of the volume."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "type" {
  type        = string
  default     = "gp3"
  description = "gp2 or gp3."

  validation {
    condition     = contains(["gp2", "gp3"], var.type)
    error_message = "A volume is of type gp2 or gp3."
  }
}

variable "gb" {
  type        = number
  description = "How much it holds, in GB."

  validation {
    condition     = var.gb >= 1
    error_message = "A volume has at least 1 GB."
  }
}

variable "attached_to" {
  type        = string
  default     = null
  description = "The machine that uses it."
}
