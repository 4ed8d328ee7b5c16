variable "name" {
  type        = string
  description = "The name of the database."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "engine" {
  type        = string
  default     = "postgres"
  description = "The kind of database."
}

variable "engine_version" {
  type        = string
  description = "The major version of the engine."
}

variable "size" {
  type        = string
  default     = "small"
  description = "How large it is."

  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "The size is small, medium or large."
  }
}

variable "storage" {
  type = object({
    gb        = number
    encrypted = bool
  })
  description = "How much room it has, and whether that is encrypted."

  validation {
    condition     = var.storage.gb >= 10
    error_message = "A database needs at least 10 GB."
  }
}

variable "backup" {
  type = object({
    keep_days = number
    window    = string
  })
  description = "How long backups are kept, and when they are made (UTC)."
}

variable "parameters" {
  type        = map(string)
  default     = {}
  description = "Settings of the engine."
}
