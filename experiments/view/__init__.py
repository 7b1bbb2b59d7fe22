"""``poet view``: the page of a run, served to this machine while the run goes on; of several runs also their curves.

``watched`` follows one archive, ``overview`` compares several, ``server`` answers a browser and nobody else.
"""
