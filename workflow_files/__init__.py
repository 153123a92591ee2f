"""Workflow files of any ComfyUI: read, and told whose nodes and files they are.

Standard library only; no node, and nothing of the host.
"""
