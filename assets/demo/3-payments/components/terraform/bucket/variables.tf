variable "name" {
  type        = string
  description = "The name of the bucket."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "versioned" {
  type        = bool
  default     = true
  description = "Whether overwritten files are kept."
}

variable "public" {
  type        = bool
  default     = false
  description = "Whether anybody may read it."
}

variable "keep_days" {
  type        = number
  description = "How long files are kept, in days."

  validation {
    condition     = var.keep_days >= 1
    error_message = "Files are kept for at least a day."
  }
}
