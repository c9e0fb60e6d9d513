"""The models side by side: what each remembers, how far, how much, and what it costs.

study    which runs, which figures, the table
copying, answering, cost    measurements: trained models in, a Figure out
story    which rows the story table has (story_rows), their runs, the table; sparse measures the row that is not trained
figure   a figure as data, written as JSON and SVG
"""
