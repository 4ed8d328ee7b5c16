variable "name" {
  type        = string
  description = "The name of the queue."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "retention_hours" {
  type        = number
  default     = 96
  description = "How long an event is kept, in hours."
}

variable "dead_letter" {
  type        = bool
  default     = true
  description = "Whether events that fail are kept aside."
}
