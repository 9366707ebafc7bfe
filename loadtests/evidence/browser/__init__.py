"""The race page's own clients measured inside real browsers: `rtlab browser`.

The browsers are driven over their debugging protocols, without a driver program: Chromium over CDP, Firefox over
WebDriver BiDi. A driver that keeps every tab in focus could not show what a hidden tab does.
"""
