variable "name" {
  type        = string
  description = "The name of the gateway."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}
