"""Tests of access tokens and apps."""
