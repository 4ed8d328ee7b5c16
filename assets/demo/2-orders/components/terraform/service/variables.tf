variable "name" {
  type        = string
  description = "The name of the service."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "A name has 2 to 31 small letters, digits and dashes, and starts with a letter."
  }
}

variable "kind" {
  type        = string
  description = "web or worker."

  validation {
    condition     = contains(["web", "worker"], var.kind)
    error_message = "A service is a web service or a worker."
  }
}

variable "release" {
  type        = string
  description = "The release that runs."
}

variable "replicas" {
  type        = number
  default     = 1
  description = "How many run side by side."

  validation {
    condition     = var.replicas >= 1 && var.replicas <= 50
    error_message = "Between 1 and 50 replicas."
  }
}

variable "limits" {
  type = object({
    cpu    = number
    memory = number
  })
  description = "The most that one replica takes: thousandths of a processor, and MB."
}

variable "port" {
  type        = number
  default     = null
  description = "Where a web service listens."
}

variable "health_path" {
  type        = string
  default     = null
  description = "What answers 200 while a web service is well."
}
