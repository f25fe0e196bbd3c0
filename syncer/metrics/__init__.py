"""What Prometheus is told: a catalogue of metrics, what facts make of them, and the text that shows it."""
