"""What Prometheus and Grafana are given: scrape configuration, alert rules, a dashboard, and the names that all three may use."""
