"""From a sweep file to a plan: which trials a study has, and what they cost."""
