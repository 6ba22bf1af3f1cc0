"""What several tests share: a project in a temporary folder, and a real daemon over it."""
