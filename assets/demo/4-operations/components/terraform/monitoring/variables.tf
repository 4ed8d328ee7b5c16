variable "retention_days" {
  type        = number
  default     = 14
  description = "How long measures are kept, in days."
}

variable "page" {
  type        = bool
  default     = false
  description = "Whether an alert wakes somebody."
}
