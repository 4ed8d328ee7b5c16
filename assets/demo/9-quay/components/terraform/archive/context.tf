variable "namespace" {
  type        = string
  description = "The company's short name."
}

variable "tenant" {
  type        = string
  description = "The part of the company that this belongs to."
}

variable "environment" {
  type        = string
  description = "The region's short name, such as ue2."
}

variable "stage" {
  type        = string
  description = "dev or prod."

  validation {
    condition     = contains(["dev", "prod"], var.stage)
    error_message = "The stage is dev or prod."
  }
}

variable "region" {
  type        = string
  description = "The region's full name."
}

variable "zones" {
  type        = list(string)
  description = "The zones that are used in the region."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "What every resource carries."
}

locals {
  id = join("-", compact([var.namespace, var.tenant, var.environment, var.stage, var.name]))
}
