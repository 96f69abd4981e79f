"""Where logins come from: one module per cloud. Nothing is imported here, so that nobody pays for a cloud unused."""
