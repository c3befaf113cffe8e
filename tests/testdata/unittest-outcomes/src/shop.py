def price(name):
    return {"apple": 3}[name]
