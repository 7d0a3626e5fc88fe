module esper

go 1.26
