"""The console command `bakeoff`."""
