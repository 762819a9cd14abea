"""`fdt-sweep doctor`: checks of a machine and of Slurm."""
