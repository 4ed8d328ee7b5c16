variable "name" {
  type        = string
  description = "The name of the archive."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "lifecycle_enabled" {
  type        = bool
  default     = false
  description = "Whether old files move to a cheaper class."
}
