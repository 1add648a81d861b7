"""Imports that every run of the program makes: our language host has them done once, before it forks the runs."""

import pulumi.dynamic

import components.local.providers
import components.local.resources
import infra.program
import infra.settings

__all__ = ["components", "infra", "pulumi"]
