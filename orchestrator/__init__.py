"""From a sweep file to a finished ledger: the plan, the Ray Tune driver, failures, status, and the CLI `fdt-sweep`."""
