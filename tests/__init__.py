"""Makes this folder a package, or another's would be taken for it: the wheel of Ciw holds one."""
