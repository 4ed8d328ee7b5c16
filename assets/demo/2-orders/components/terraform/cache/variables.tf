variable "name" {
  type        = string
  description = "The name of the cache."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "memory_mb" {
  type        = number
  default     = 256
  description = "How much it holds, in MB."

  validation {
    condition     = var.memory_mb >= 64
    error_message = "A cache has at least 64 MB."
  }
}

variable "eviction" {
  type        = string
  default     = "allkeys-lru"
  description = "What goes first when it is full."
}
