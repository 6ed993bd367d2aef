print("upframe")
